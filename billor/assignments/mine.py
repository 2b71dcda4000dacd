"""Routes of the current user who is a driver: `/me/assignment` and how one is notified."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import current_app
from marshmallow import ValidationError, fields, validate
from sqlalchemy import Boolean, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from billor.api.blueprint import Blueprint
from billor.api.fields import OR_NULL, Id, QueryInteger, Several, Timestamp, Url, WireSchema, about
from billor.api.responses import if_match
from billor.assignments import check_ins, schemas
from billor.assignments import service as assignments
from billor.config import push_key
from billor.database import execute, get_or_not_found, lock, transaction
from billor.drivers import service as drivers
from billor.drivers.schemas import NotificationsSchema
from billor.errors import NotFound
from billor.loads import documents
from billor.loads import schemas as load_schemas
from billor.loads import service as loads
from billor.loads.document_routes import NEW_FILE_PROBLEMS, sends_file, stores_file
from billor.models import Assignment, AssignmentStatus, Driver, PushSubscription, User, db
from billor.observe.context import signed_in_user

blueprint = Blueprint("mine", __name__, url_prefix="/me", description="A driver's own load.")

OWN = about("One of your own assignments. Your active one by default.")
MAX_BROWSERS = 10
POINT = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"


class MyActiveAssignmentSchema(schemas.AssignmentWithLoadSchema, schemas.WithNextSchema):
    """Your active assignment, with its load and your next one."""


if_unchanged = partial(if_match, MyActiveAssignmentSchema())


class MyAssignmentsQuery(schemas.TimeOrderQuery):
    status = Several(fields.Enum(AssignmentStatus))


class CompletionSchema(WireSchema):
    status = fields.String(
        required=True, validate=validate.OneOf([AssignmentStatus.COMPLETED.value])
    )
    assignment_id = Id(**OWN)
    happened_at = Timestamp(**about("Now by default."))


class MyCheckInSchema(schemas.CheckInSchema):
    assignment_id = Id(**OWN)


class MyCommentSchema(load_schemas.NewCommentSchema):
    class Meta(WireSchema.Meta):
        exclude = ("visible_to_driver",)

    assignment_id = Id(**OWN)


class MyDocumentQuery(load_schemas.NewDocumentQuery):
    assignment_id = QueryInteger(**OWN)


def _base64(length: int, example: str, *checks: Callable[[str], None]) -> fields.String:
    form = validate.Regexp(rf"^[\w-]{{{length}}}(?!\n)$", re.A)
    return fields.String(required=True, validate=[form, *checks], metadata={"example": example})


def check_point(text: str) -> None:
    """Raise `ValidationError` unless it is a point of P-256 in base64url."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), urlsafe_b64decode(f"{text}="))
    except ValueError as error:
        raise ValidationError("Must be a point of P-256.") from error


class PushKeysSchema(WireSchema):
    p256dh = _base64(87, POINT, check_point)
    auth = _base64(22, "A" * 22)


class PushSubscriptionSchema(WireSchema):
    id = Id(dump_only=True, required=True)
    endpoint = Url(max_length=1000, required=True, metadata={"example": "https://a.example/push"})
    keys = fields.Nested(PushKeysSchema, required=True, load_only=True)


@blueprint.route("/assignment")
@blueprint.response(200, MyActiveAssignmentSchema)
@blueprint.problems("no_active_assignment")
def get_my_assignment():
    """Show your active assignment with its load, and your next one."""
    return _my_assignment()


@blueprint.route("/assignments")
@blueprint.paged(schemas.AssignmentWithListedLoadSchema, MyAssignmentsQuery)
def list_my_assignments(query):
    """List your assignments with their loads, newest first."""
    return assignments.list_assignments(**query, driver_id=_my_driver_id(), expand=["load"])


@blueprint.route("/assignment/status", methods=["PATCH"])
@blueprint.arguments(CompletionSchema)
@blueprint.response(200, MyActiveAssignmentSchema)
@blueprint.problems("no_active_assignment", "assignment_not_found", "assignment_not_active")
def complete_my_assignment(completion):
    """Complete your active assignment.

    Send its `assignmentId`, or an `Idempotency-Key`: without them, a retry may complete the next
    assignment. A check-in changes the ETag of an assignment, but not its id.
    """
    own = _my_assignment(completion.pop("assignment_id", None))
    return assignments.change_status(own.id, check=if_unchanged(), **completion)


@blueprint.route("/assignment/check-ins", methods=["POST"])
@blueprint.arguments(MyCheckInSchema)
@blueprint.takes_if_match
@blueprint.response(201, schemas.CheckInSchema)
@blueprint.problems("no_active_assignment", "assignment_not_found", "assignment_not_active")
def add_my_check_in(fields):
    """Say how far you are or, with `reason` and `expectedAt`, what delays your delivery.

    With its `assignmentId` a check-in never reaches the next assignment, however late it comes.
    """
    own = _my_assignment(fields.pop("assignment_id", None))
    return check_ins.add_check_in(own.id, if_unchanged(), **fields)


@blueprint.route("/assignment/check-ins")
@blueprint.paged(schemas.CheckInSchema, schemas.TimeOrderQuery)
@blueprint.problems("no_active_assignment")
def list_my_check_ins(query):
    """List the check-ins of your active assignment in the order in which they happened."""
    return check_ins.list_check_ins(_my_assignment().id, **query)


@blueprint.route("/assignment/check-ins/<id:check_in_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.problems("too_late_to_undo")
def undo_my_check_in(check_in_id):
    """Undo your own check-in, within five minutes. `If-Match` has the ETag of the assignment."""
    check_ins.undo_check_in(check_in_id, if_unchanged(), driver_id=_my_driver_id())


@blueprint.route("/assignment/comments")
@blueprint.paged(load_schemas.CommentSchema, load_schemas.TimelineQuery)
@blueprint.problems("no_active_assignment")
def list_my_comments(query):
    """List the comments on your active load that you may see, oldest first."""
    return loads.comments_for_driver(_my_assignment().load_id, **query)


@blueprint.route("/assignment/comments", methods=["POST"])
@blueprint.arguments(MyCommentSchema)
@blueprint.response(201, load_schemas.CommentSchema)
@blueprint.problems("no_active_assignment", "assignment_not_found", "assignment_not_active")
def comment_on_my_load(comment):
    """Add a comment to your active load, or to a completed one by its `assignmentId`."""
    return assignments.comment_on_own_load(_my_driver_id(), **comment)


@blueprint.route("/notifications")
@blueprint.response(200, NotificationsSchema)
def get_my_notifications():
    """Show how you are notified."""
    return get_or_not_found(Driver, _my_driver_id())


@blueprint.route("/notifications", methods=["PATCH"])
@blueprint.arguments(NotificationsSchema)
@blueprint.response(200, NotificationsSchema)
def update_my_notifications(changes):
    """Choose how you are notified, and in which language."""
    return drivers.update_driver(_my_driver_id(), if_match(NotificationsSchema()), **changes)


@blueprint.route("/push-key")
@blueprint.response(
    200, WireSchema.from_dict({"public_key": fields.String(**OR_NULL)}, name="PushKeySchema")
)
def get_push_key():
    """Show the key with which browsers subscribe to notifications; null if they can't."""
    if (private := current_app.config["BILLOR"].push_private_key) is None:
        return {"public_key": None}
    key = push_key(private).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {"public_key": urlsafe_b64encode(point).decode().rstrip("=")}


@blueprint.route("/push-subscriptions", methods=["POST"])
@blueprint.arguments(PushSubscriptionSchema)
@blueprint.response(201, PushSubscriptionSchema)
@blueprint.alt_response(200, schema=PushSubscriptionSchema(exclude=["keys"]))
def add_my_push_subscription(subscription):
    """Have this browser notified, too; of your ten last ones, each is (RFC 8030).

    It is notified for you alone, until all your sessions are ended.
    """
    user, keys = signed_in_user(), subscription.pop("keys")
    values = {"user_id": user.id, "epoch": user.epoch, "created_at": func.now(), **keys}
    row = insert(PushSubscription).values(**subscription, **values)
    row = row.on_conflict_do_update(index_elements=[PushSubscription.endpoint], set_=values)
    of_user = select(PushSubscription.id).filter_by(user_id=user.id)
    old = of_user.order_by(PushSubscription.created_at.desc()).offset(MAX_BROWSERS)
    with transaction():
        lock(User, user.id)
        returned = row.returning(PushSubscription, literal_column("xmax = 0", Boolean))
        found, is_new = db.session.execute(returned).one()
        execute(delete(PushSubscription).where(PushSubscription.id.in_(old)))
    return found, 201 if is_new else 200


@blueprint.route("/push-subscriptions/<id:push_subscription_id>", methods=["DELETE"])
@blueprint.response(204)
@blueprint.doc(**{"x-if-match": False})
def delete_my_push_subscription(push_subscription_id):
    """Have this browser notified no more."""
    ids = {"id": push_subscription_id, "user_id": signed_in_user().id}
    with transaction():
        if not execute(delete(PushSubscription).filter_by(**ids)).rowcount:
            raise NotFound("PushSubscription", push_subscription_id)


@blueprint.route("/assignment/documents", methods=["POST"])
@blueprint.arguments(MyDocumentQuery, location="query")
@stores_file
@blueprint.response(201, load_schemas.DocumentSchema)
@blueprint.problems(
    *("no_active_assignment", "assignment_not_found", "assignment_not_active"),
    *NEW_FILE_PROBLEMS,
)
def add_my_document(fields):
    """Add a photo or PDF to your load, up to a day after its completion."""
    own = _my_assignment(fields.pop("assignment_id", None))
    check = partial(assignments.refuse_documents, own)
    return documents.add_document(own.load_id, check, **fields)


@blueprint.route("/assignment/documents")
@blueprint.paged(load_schemas.DocumentSchema)
@blueprint.problems("no_active_assignment")
def list_my_documents(query):
    """List the documents of your active load, newest first."""
    is_shown = assignments.is_shown_to(_my_driver_id())
    return documents.list_documents(_my_assignment().load_id, is_shown, **query)


@blueprint.route("/documents/<id:document_id>")
@sends_file
def get_my_document(document_id):
    """Get a document of one of your loads."""
    return documents.find_document(document_id, assignments.is_shown_to(_my_driver_id()))


def _my_driver_id() -> int:
    driver_id = signed_in_user().driver_id
    assert driver_id is not None, "the guard admits only drivers"  # noqa: S101
    return driver_id


def _my_assignment(assignment_id: int | None = None) -> Assignment:
    return assignments.own_assignment(_my_driver_id(), assignment_id)
