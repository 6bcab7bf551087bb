"""What takes jobs, keeps them and gives their results."""
