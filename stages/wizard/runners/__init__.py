"""How work is spread: one interface, ``run(fn, items, …)``, for each kind of machine."""
