"""Which registrations start which target: fields, sources, rules, and what is wrong with them."""
