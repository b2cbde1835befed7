"""What SQL cannot do between staging and curated: from scored links to guarded clusters."""
