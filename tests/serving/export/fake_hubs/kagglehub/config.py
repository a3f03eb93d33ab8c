"""Stands in for kagglehub.config."""
TOKENS = ["a token"]


def get_kaggle_credentials():
    return TOKENS[0]
