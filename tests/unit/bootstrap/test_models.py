"""Which models the settings offer, what they lack, and that nobody pays for a vendor he does not ask."""

import subprocess
import sys

import pytest

from aigestion.bootstrap.models import chosen_model, missing_keys, offered_models
from aigestion.kernel.errors import Misconfigured
from aigestion.llm.sdk_model import SdkModel
from aigestion.settings import load_settings

VENDORS = ("openai", "anthropic", "gemini")


def test_the_builtin_model_needs_no_key() -> None:
    settings = load_settings()

    assert chosen_model(settings).provider == "builtin"
    assert missing_keys(settings) == []


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_provider_answers_with_the_model_of_its_group(vendor: str) -> None:
    settings = load_settings(
        models={"provider": vendor}, **{vendor: {"api_key": "k", "model": "a-model"}}
    )

    model = chosen_model(settings)

    assert isinstance(model, SdkModel)
    assert (model.provider, model.model) == (vendor, "a-model")
    assert missing_keys(settings) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_vendors_own_server_needs_a_key_and_another_may_not(vendor: str) -> None:
    own = load_settings(models={"provider": vendor})
    another = load_settings(
        models={"provider": vendor}, **{vendor: {"base_url": "http://127.0.0.1:1"}}
    )

    assert missing_keys(own) == [f"AIGESTION_{vendor.upper()}__API_KEY"]
    assert missing_keys(another) == []


def test_agents_may_name_more_models_than_the_one_that_is_asked_by_default() -> None:
    also = ("anthropic/claude-opus-5", "openai/org/large:8b", "openai/gpt-5-mini")
    settings = load_settings(models={"provider": "openai", "also": also}, openai={"api_key": "k"})

    offered = offered_models(settings)

    assert list(offered) == ["openai/gpt-5-mini", "anthropic/claude-opus-5", "openai/org/large:8b"]
    assert [(model.provider, model.model) for model in offered.values()] == [
        ("openai", "gpt-5-mini"),
        ("anthropic", "claude-opus-5"),
        ("openai", "org/large:8b"),
    ]
    assert missing_keys(settings) == ["AIGESTION_ANTHROPIC__API_KEY"]


@pytest.mark.parametrize(
    "name", ["gpt-5", "mistral/large", "openai/", "openai/a b", "openai/\x1b[1m"]
)
def test_a_name_without_a_vendor_we_reach_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match=r"models\.also\.0"):
        load_settings(models={"also": [name]})


def test_choosing_a_model_imports_no_sdk() -> None:
    code = (
        "import sys\n"
        "from aigestion.bootstrap.models import chosen_model\n"
        "from aigestion.settings import load_settings\n"
        f"for vendor in {VENDORS!r}: chosen_model(load_settings(models={{'provider': vendor}}))\n"
        "print([name for name in ('openai', 'anthropic', 'google.genai') if name in sys.modules])"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
