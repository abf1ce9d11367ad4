"""How often rules trip falsely and how soon they trip truly, by seeded simulation: `make study`."""
