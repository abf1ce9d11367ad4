"""What Andon is set beside; each module is a program that prints its figure, in its own process."""
