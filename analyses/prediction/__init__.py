"""Which task next: ranking scores and what a perfect ranking could reach."""
