"""The words of the API reference: schema names, descriptions of every property and value, and examples."""
