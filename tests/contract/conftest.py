"""Lets the shared suite show what an assertion compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("contract.suite")
