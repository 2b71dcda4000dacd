"""The HTTP layer that all resources share: OpenAPI, fields, errors, pages, ETags, middleware."""
