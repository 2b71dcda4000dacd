"""Routes of `/drivers`."""

from billor.api.blueprint import Blueprint
from billor.api.responses import if_match
from billor.database import get_or_not_found
from billor.drivers import schemas, service
from billor.models import Driver

blueprint = Blueprint(
    "drivers", __name__, url_prefix="/drivers", description="The people who move loads."
)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(schemas.DriverSchema)
@blueprint.created(schemas.DriverSchema, shown_by="get_driver")
@blueprint.problems("license_number_taken")
def create_driver(fields):
    """Create a driver."""
    return service.create_driver(**fields)


@blueprint.route("")
@blueprint.paged(schemas.ListedDriverSchema, schemas.DriverQuery)
def list_drivers(query):
    """List drivers, newest first."""
    return service.list_drivers(**query)


@blueprint.route("/<id:driver_id>")
@blueprint.response(200, schemas.DriverSchema)
def get_driver(driver_id):
    """Show a driver."""
    return get_or_not_found(Driver, driver_id)


@blueprint.route("/<id:driver_id>", methods=["PATCH"])
@blueprint.arguments(schemas.DriverUpdateSchema)
@blueprint.response(200, schemas.DriverSchema)
@blueprint.problems("license_number_taken")
def update_driver(changes, driver_id):
    """Change a driver.

    An INACTIVE driver keeps the active load until it is completed or cancelled.
    """
    return service.update_driver(driver_id, if_match(schemas.DriverSchema()), **changes)
