"""What is to be run: cells in blocks, the plans, and what they cost."""
