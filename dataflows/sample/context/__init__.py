"""What is known of Helia besides its PV: areas, land, buildings and sunshine, in the form of those who publish such things."""

from dataflows.sample.context.publication import CONTEXT_TRUTH_FILE, ContextFacts, publish_context

__all__ = ["CONTEXT_TRUTH_FILE", "ContextFacts", "publish_context"]
