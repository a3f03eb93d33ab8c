"""The paper's claims as comparisons of results, and the rules that decide them."""
