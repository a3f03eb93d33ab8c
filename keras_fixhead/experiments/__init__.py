"""Many runs: what is planned, running it, and comparing what came out."""
