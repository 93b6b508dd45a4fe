"""A declared option -> a control with its range, unit and explanation."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw
from pydantic import BaseModel

__all__ = ["bounds", "integer_slider"]


def bounds(model: type[BaseModel], name: str) -> tuple[float | None, float | None]:
    """Give the lowest and highest value that an option's declaration allows."""
    low = high = None
    for constraint in model.model_fields[name].metadata:
        low = getattr(constraint, "ge", low)
        high = getattr(constraint, "le", high)
    return low, high


def integer_slider(model: type[BaseModel], name: str, **traits: Any) -> ipw.IntSlider:
    """Make a slider of an integer option that declares a range.

    Args:
        model: The model that declares it.
        name: The option.
        **traits: Traits of the slider, over those from the declaration.
    """
    field = model.model_fields[name]
    low, high = bounds(model, name)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    about = f"{field.description} ({low} to {high} {extra.get('unit', '')})".replace(" )", ")")
    settings = {
        "value": field.default,
        "min": low,
        "max": high,
        "description": name.replace("_", " ").capitalize(),
        "tooltip": about,
    }
    return ipw.IntSlider(**(settings | traits))
