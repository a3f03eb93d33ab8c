"""Many runs: plan them (a grid and seeds), run what is left, compare them (groups, paired over seeds)."""
