"""Everything that can be asked."""

from typing import Any

from aigestion.commands.conversation.ask_again import ask_again
from aigestion.commands.conversation.change_conversation import change_conversation
from aigestion.commands.conversation.post_interaction import post_interaction
from aigestion.commands.conversation.start_conversation import start_conversation
from aigestion.commands.directory.create_tenant import create_tenant
from aigestion.commands.directory.define_agent import define_agent, roll_back_agent
from aigestion.commands.directory.issue_key import expire_key, issue_key, revoke_key
from aigestion.commands.directory.register_agent import register_agent
from aigestion.commands.knowledge.add_document import add_document
from aigestion.commands.knowledge.remove_document import remove_document
from aigestion.commands.run.answer_from_elsewhere import answer_from_elsewhere
from aigestion.commands.run.cancel_run import cancel_run
from aigestion.commands.run.complete_model_call import complete_model_call
from aigestion.commands.run.end_cancelled_run import end_cancelled_run
from aigestion.commands.run.fail_model_call import fail_model_call
from aigestion.commands.run.fail_run import fail_run
from aigestion.commands.run.record_context import record_context
from aigestion.commands.run.request_model import request_model
from aigestion.commands.run.start_run import start_run
from aigestion.kernel.decider import UseCase

USE_CASES: tuple[UseCase[Any, Any], ...] = (
    create_tenant,
    issue_key,
    expire_key,
    revoke_key,
    register_agent,
    define_agent,
    roll_back_agent,
    start_conversation,
    change_conversation,
    post_interaction,
    ask_again,
    add_document,
    remove_document,
    start_run,
    record_context,
    request_model,
    complete_model_call,
    fail_model_call,
    fail_run,
    cancel_run,
    end_cancelled_run,
    answer_from_elsewhere,
)
