"""Made-up histories with known truth: seeded, labelled, without a clock and without I/O."""
