"""Elementwise mathematics as a program of scalars."""
