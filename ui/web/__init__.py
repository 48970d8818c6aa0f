"""The web page (`sqlberg chat`)."""
