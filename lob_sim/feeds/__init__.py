"""Other people's data: order-level files in and out. One module a vendor."""
