"""The generated parts of the pages on evidence."""
