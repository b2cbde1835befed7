"""What leaves the lake: files for other programs, pictures, and a page to read; each with where it comes from."""
