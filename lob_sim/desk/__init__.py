"""The balance-sheet half of an agent: what it owns and owes, its limits, and what it sells because of them."""
