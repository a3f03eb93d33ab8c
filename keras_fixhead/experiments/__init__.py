"""Many runs: plan (a grid and seeds), run (what is left), compare (groups, paired over seeds)."""
