"""The planner's own errors. Outages are not among them: they are ``UnavailableError``, whatever is out."""


class CatalogError(Exception):
    """Raised when the catalog cannot work as it is set up: URL, driver, or a database of a newer release."""
