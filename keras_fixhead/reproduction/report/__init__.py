"""The report from result files alone: JSON, Markdown, CSV, LaTeX, HTML and figures."""
