"""Every job says whose it is: code that does not write that down is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE job SET owner = '' WHERE owner IS NULL")
    with op.batch_alter_table("job") as job:
        job.alter_column("owner", existing_type=sa.String(), nullable=False)
