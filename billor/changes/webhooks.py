"""Routes of `/webhooks`: URLs that get events, as https://www.standardwebhooks.com says.

A secret is stored as it is, since it signs. It is shown once: to who makes it, and to their retries
with the same Idempotency-Key.
"""

import base64
import secrets
from datetime import UTC, datetime, timedelta

from flask import current_app
from marshmallow import fields, validate
from sqlalchemy import func, select, text

from billor.api import fields as wire
from billor.api.blueprint import Blueprint
from billor.api.responses import if_match
from billor.database import change, execute, get_or_not_found, lock, transaction
from billor.database.keyset import paginate
from billor.database.text import clean_url
from billor.errors import BillorError, Conflict
from billor.events.event import WORK_TYPES
from billor.models import Webhook, WebhookDelivery, db
from billor.observe.context import signed_in_user

OVERLAP = timedelta(hours=24)
MAX_WEBHOOKS = 20  # each event waits until its deliveries to all are written

blueprint = Blueprint(
    "webhooks", __name__, url_prefix="/webhooks", description="URLs that get events."
)


class WebhookUrl(wire.Url):
    def _normalize(self, text: str) -> str:
        is_private = current_app.config["BILLOR"].private_webhooks == "yes"
        return clean_url(text) if is_private else super()._normalize(text)


class WebhookSchema(wire.WireSchema):
    id = wire.Id(dump_only=True, required=True)
    url = WebhookUrl(max_length=1000, required=True, metadata={"example": "https://a.example/hook"})
    types = wire.Items(
        fields.String(validate=validate.OneOf([*WORK_TYPES])),
        most=len(WORK_TYPES),
        allow_none=True,
        **wire.about("Which events it gets; null, the default: all.", example=None),
    )
    is_active = wire.Flag(
        data_key="active",
        **wire.about(
            "Whether events are added for it. False after five days of only "
            "failures, or an answer 410.",
            example=True,
        ),
    )
    created_at = wire.Timestamp(dump_only=True, required=True)


class NewWebhookSchema(WebhookSchema):
    secret = fields.String(
        dump_only=True, required=True, **wire.about("Signs. It is not shown again.")
    )


class WebhookUpdateSchema(wire.PartialSchema, WebhookSchema):
    pass


class ListedWebhookSchema(WebhookSchema):
    # Only here: elsewhere a failure would change the ETag.
    failing_since = wire.Timestamp(**wire.OR_NULL)


class DeliverySchema(wire.WireSchema):
    id = wire.Id(required=True)
    event_id = fields.UUID(**wire.about("Null for a test."), **wire.OR_NULL)
    load_id = wire.Id(**wire.OR_NULL)
    attempts = fields.Integer(required=True)
    due_at = wire.Timestamp(required=True, **wire.about("The next try, if there is one."))
    status = fields.Integer(**wire.about("Of the last answer."), **wire.OR_NULL)
    answer = fields.String(
        **wire.about("The start of the last answer, or why there is none."), **wire.OR_NULL
    )
    delivered_at = wire.Timestamp(**wire.OR_NULL)
    failed_at = wire.Timestamp(**wire.about("When it was given up."), **wire.OR_NULL)
    created_at = wire.Timestamp(required=True)


@blueprint.route("", methods=["POST"])
@blueprint.arguments(NewWebhookSchema)
@blueprint.created(NewWebhookSchema, shown_by="get_webhook")
@blueprint.problems("too_many_webhooks")
def create_webhook(values):
    """Add a URL that gets events from now on, and get the secret that signs them."""
    webhook = Webhook(secret=_new_secret(), user_id=signed_in_user().id, **values)
    with transaction():
        execute(text("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE"))  # also while it is empty
        if execute(select(func.count()).select_from(Webhook)).scalar_one() >= MAX_WEBHOOKS:
            raise Conflict("too_many_webhooks")
        db.session.add(webhook)
    return webhook


@blueprint.route("")
@blueprint.paged(ListedWebhookSchema)
def list_webhooks(query):
    """List webhooks, newest first."""
    return paginate(select(Webhook), [Webhook.id], **query)


@blueprint.route("/<id:webhook_id>")
@blueprint.response(200, WebhookSchema)
def get_webhook(webhook_id):
    """Show a webhook, without its secret."""
    return get_or_not_found(Webhook, webhook_id)


@blueprint.route("/<id:webhook_id>", methods=["PATCH"])
@blueprint.arguments(WebhookUpdateSchema)
@blueprint.response(200, WebhookSchema)
def update_webhook(changes, webhook_id):
    """Change a webhook. An inactive one gets no events; what waits goes on when it is active."""
    with transaction():
        webhook = lock(Webhook, webhook_id, if_match(WebhookSchema()))
        if "is_active" in change(webhook, changes):
            webhook.failing_since = None
    return webhook


@blueprint.route("/<id:webhook_id>", methods=["DELETE"])
@blueprint.response(204)
def delete_webhook(webhook_id):
    """Delete a webhook. It gets no more events."""
    with transaction():
        db.session.delete(lock(Webhook, webhook_id, if_match(WebhookSchema())))


@blueprint.route("/<id:webhook_id>/rotate-secret", methods=["POST"])
@blueprint.response(200, NewWebhookSchema)
def rotate_webhook_secret(webhook_id):
    """Get a new secret. For 24 hours the old one signs, too."""
    with transaction():
        webhook = lock(Webhook, webhook_id)
        webhook.old_secret, webhook.secret = webhook.secret, _new_secret()
        webhook.old_secret_until = datetime.now(UTC) + OVERLAP
    return webhook


@blueprint.route("/<id:webhook_id>/test", methods=["POST"])
@blueprint.response(200, DeliverySchema)
def test_webhook(webhook_id):
    """Send an event `webhook.test`."""
    delivery = WebhookDelivery(webhook_id=webhook_id)
    with transaction():
        get_or_not_found(Webhook, webhook_id)
        db.session.add(delivery)
    return delivery


@blueprint.route("/<id:webhook_id>/deliveries")
@blueprint.paged(DeliverySchema)
def list_webhook_deliveries(query, webhook_id):
    """List what a webhook got or is to get within 30 days, newest first."""
    get_or_not_found(Webhook, webhook_id)
    deliveries = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return paginate(deliveries, [WebhookDelivery.id], **query)


@blueprint.route("/<id:webhook_id>/deliveries/<id:delivery_id>/resend", methods=["POST"])
@blueprint.response(200, DeliverySchema)
def resend_webhook_delivery(webhook_id, delivery_id):
    """Send an event again, or at once if it waits for its next try."""
    with transaction():
        delivery = db.session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if delivery is None or delivery.webhook_id != webhook_id:
            raise BillorError("delivery_not_found")
        change(delivery, {"attempts": 0, "delivered_at": None, "failed_at": None})
        delivery.due_at = func.clock_timestamp()
    return delivery


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
