"""The paper's claims, judged on the tables."""
