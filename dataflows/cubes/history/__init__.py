"""The versions of a repository: which there are, what differs, which commit wrote a scene, and which can be forgotten."""
