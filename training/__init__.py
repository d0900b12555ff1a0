"""Renders the tiny world and trains the tiny pack; see README.md here."""
