"""/drivers."""

from billor.api import PAGE_HEADERS, Blueprint
from billor.drivers import service
from billor.drivers.schemas import DriverQuery, DriverSchema, DriverUpdateSchema
from billor.pagination import page_headers

blueprint = Blueprint(
    "drivers", __name__, url_prefix="/drivers", description="The people who move loads."
)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(DriverSchema)
@blueprint.response(201, DriverSchema)
@blueprint.problems(409)
def create_driver(fields):
    """Create a driver."""
    return service.create_driver(**fields)


@blueprint.route("")
@blueprint.arguments(DriverQuery, location="query")
@blueprint.response(200, DriverSchema(many=True), headers=PAGE_HEADERS)
def list_drivers(query):
    """List drivers, newest first."""
    page = service.list_drivers(**query)
    return page.items, page_headers(page)


@blueprint.route("/<id:driver_id>")
@blueprint.response(200, DriverSchema)
@blueprint.problems(404)
def get_driver(driver_id):
    """Show a driver."""
    return service.get_driver(driver_id)


@blueprint.route("/<id:driver_id>", methods=["PATCH"])
@blueprint.arguments(DriverUpdateSchema)
@blueprint.response(200, DriverSchema)
@blueprint.problems(404, 409)
def update_driver(changes, driver_id):
    """Change a driver."""
    return service.update_driver(driver_id, **changes)
