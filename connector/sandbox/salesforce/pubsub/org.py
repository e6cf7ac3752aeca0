"""The org as RPCs see it: its topics, its schemas, and an event written out for one user.

Not gRPC. Needs fastavro and protobuf through `payload.py` and `messages.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.pubsub import messages, refusals, rights
from connector.sandbox.salesforce.pubsub.capture import capture
from connector.sandbox.salesforce.pubsub.channels import Topic, all_selected, find_topic
from connector.sandbox.salesforce.pubsub.payload import Writer

if TYPE_CHECKING:
    from connector.sandbox.salesforce.pubsub.events import Event
    from connector.sandbox.state import World


@dataclass(frozen=True, slots=True)
class Sees:
    """What one user may be told: the entities, and by entity the fields that are kept from them."""

    stamp: tuple[object, ...]
    entities: frozenset[str]
    hidden: dict[str, frozenset[str]]


class Org:
    """One org behind the server. `closing` ends every stream."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.capture = capture(world)
        self.capture.log.load()
        self.closing = False
        self._writers: dict[str, Writer] = {}
        self._seen: dict[str, Sees] = {}

    def close(self) -> None:
        """End every stream soon."""
        with self.capture.log.news:
            self.closing = True
            self.capture.log.news.notify_all()

    def topic(self, user_id: str, name: str) -> Topic:
        """The topic that a user may subscribe to. Raises Refused."""
        if not name.strip():
            raise refusals.NO_TOPIC_NAME
        with self.world.lock:
            found = find_topic(self.world, name)
            if found is None:
                raise refusals.NO_TOPIC
            if found.entity and not rights.may_subscribe(self.world, user_id, found.entity):
                raise refusals.NO_ACCESS
        return found

    def sees(self, user_id: str) -> Sees:
        """What a user may be told. The world's lock is taken only after something changed."""
        stamp = rights.stamp(self.world)
        known = self._seen.get(user_id)
        if known is None or known.stamp != stamp:
            with self.world.lock:
                selected = all_selected(self.world)
                entities = frozenset(e for e in selected if rights.may_subscribe(self.world, user_id, e))
                hidden = {e: rights.hidden_fields(self.world, user_id, e) for e in selected}
            known = self._seen[user_id] = Sees(stamp, entities, hidden)
        return known

    def topic_schema_id(self, topic: Topic) -> str:
        """The id of a single-entity topic's present schema; empty for a channel of several entities."""
        with self.world.lock:
            return self.capture.shape(topic.entity).schema_id if topic.entity else ""

    def schema_json(self, schema_id: str) -> str:
        """The schema of this id. Raises Refused."""
        if not schema_id.strip():
            raise refusals.NO_SCHEMA_ID
        found = self.capture.schema_json(schema_id)
        if found is None:
            raise refusals.NO_SCHEMA
        return found

    def consumer_event(self, user_id: str, event: Event) -> Any:
        """The event's message for one user: fields that they may not see are not in it (facts: Salesforce §2.5)."""
        hidden = self.sees(user_id).hidden
        payload = self._writer(event.schema).payload(event, hidden=hidden.get(event.entity, frozenset()))
        produced = messages.ProducerEvent(id=event.uuid, schema_id=event.schema, payload=payload)
        return messages.ConsumerEvent(event=produced, replay_id=self.capture.log.replay_id(event.seq, event.at))

    def _writer(self, schema_id: str) -> Writer:
        found = self._writers.get(schema_id)
        if found is None:
            found = self._writers[schema_id] = Writer(self.schema_json(schema_id))
        return found
