"""What all resources share: the OpenAPI layer, fields, errors, pages, conditional requests."""
