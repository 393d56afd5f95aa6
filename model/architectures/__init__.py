"""The kinds of potential that can be trained, by name."""
