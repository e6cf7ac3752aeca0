"""``salesforce.toml`` and ``hubspot.toml`` as models.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.handoff.model import DealType
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.model.words import EnumOf, FieldName, Spec, Text

# --- <crm>.toml ------------------------------------------------------------------------------------------------------


class FieldSpec(Spec):
    """One mapped field: the CRM's own name for it, its type, who may write it."""

    field: Text
    label: str = ""
    type: Annotated[FieldType, EnumOf]
    owner: Annotated[FieldOwner, EnumOf]
    max_chars: Annotated[int, Field(ge=1)] | None = None
    values: dict[str, Text] = Field(default_factory=dict)


class ObjectsSpec(Spec):
    """The CRM's objects behind our kinds of record."""

    deal: Text
    account: Text
    task: Text
    note: Text
    meeting: Text


class DealTypesSpec(Spec):
    """Which of the CRM's deal types mean what; any other is ``otherwise``."""

    new: tuple[Text, ...] = ()
    renewal: tuple[Text, ...] = ()
    upsell: tuple[Text, ...] = ()
    otherwise: Annotated[DealType, EnumOf] = DealType.NEW


class StagesSpec(Spec):
    """Which pipelines are watched, where a reverted deal goes when its earlier stage is unknown, and in which stages an
    open deal says how ready it is and gets its CSM."""

    pipelines: tuple[Text, ...] = ()
    revert_to: Text | dict[str, Text]
    before_close: tuple[Text, ...] | dict[str, tuple[Text, ...]] = ()
    pre_assign: tuple[Text, ...] | dict[str, tuple[Text, ...]] = ()


class FieldsSpec(Spec):
    """The mapped fields by kind of record."""

    deal: dict[FieldName, FieldSpec]
    account: dict[FieldName, FieldSpec] = Field(default_factory=dict)
    task: dict[FieldName, FieldSpec]
    note: dict[FieldName, FieldSpec] = Field(default_factory=dict)
    meeting: dict[FieldName, FieldSpec] = Field(default_factory=dict)
    email: dict[FieldName, FieldSpec] = Field(default_factory=dict)


class TeamsSpec(Spec):
    """The roles in which the CSM joins the teams of deal and account; Salesforce has such teams."""

    deal: Text | None = None
    account: Text | None = None
    deal_second: Text | None = None
    account_second: Text | None = None
    deal_access: Literal["Read", "Edit"] = "Edit"
    account_access: Literal["Read", "Edit"] = "Edit"


class TellSpec(Spec):
    """How the CRM itself tells its users at the moments of process.toml, beside email and chat of our own."""

    bell: Text | None = None
    mail: bool = False


class MeetingsSpec(Spec):
    """How it is known that a meeting of the playbook was held, besides its outcome, and whether a time for it is looked
    for in people's calendars."""

    held_when_over: bool = False
    calendars: bool = True


class PeopleSpec(Spec):
    """The CRM's own fields on its users that say who is away or gets no new accounts; Salesforce has such fields."""

    away_from: Text | None = None
    away_until: Text | None = None
    paused: Text | None = None


class CrmSpec(Spec):
    """salesforce.toml, hubspot.toml."""

    objects: ObjectsSpec
    stages: StagesSpec
    deal_types: DealTypesSpec
    fields: FieldsSpec
    teams: TeamsSpec | None = None
    tell: TellSpec | None = None
    people: PeopleSpec | None = None
    contacts: dict[FieldName, tuple[Text, ...]] | None = None
    meetings: MeetingsSpec = Field(default_factory=MeetingsSpec)
