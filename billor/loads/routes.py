"""/loads."""

from billor.api import PAGE_HEADERS, Blueprint
from billor.loads import service
from billor.loads.pages import cached_page
from billor.loads.schemas import (
    LoadQuery,
    LoadSchema,
    LoadUpdateSchema,
    TimelineEntrySchema,
)

blueprint = Blueprint("loads", __name__, url_prefix="/loads", description="What is to be moved.")

CACHE_HEADERS = {
    "X-Cache": {
        "description": "Whether the page came from Redis; BYPASS while Redis is away.",
        "schema": {"type": "string", "enum": ["HIT", "MISS", "BYPASS"]},
    }
}


@blueprint.route("", methods=["POST"])
@blueprint.arguments(LoadSchema)
@blueprint.response(201, LoadSchema)
def create_load(fields):
    """Create a load."""
    return service.create_load(**fields)


@blueprint.route("")
@blueprint.response(200, LoadSchema(many=True), headers=PAGE_HEADERS | CACHE_HEADERS)
@cached_page(LoadSchema(many=True))
@blueprint.arguments(LoadQuery, location="query")
def list_loads(query):
    """List loads, newest first."""
    return service.list_loads(**query)


@blueprint.route("/<id:load_id>")
@blueprint.response(200, LoadSchema)
@blueprint.problems(404)
def get_load(load_id):
    """Show a load."""
    return service.get_load(load_id)


@blueprint.route("/<id:load_id>", methods=["PATCH"])
@blueprint.arguments(LoadUpdateSchema)
@blueprint.response(200, LoadSchema)
@blueprint.problems(404, 409)
def update_load(changes, load_id):
    """Change, cancel or reopen a load."""
    return service.update_load(load_id, **changes)


@blueprint.route("/<id:load_id>/timeline")
@blueprint.response(200, TimelineEntrySchema(many=True))
@blueprint.problems(404)
def get_load_timeline(load_id):
    """Show what a load has been through, oldest first."""
    return service.load_timeline(load_id)
