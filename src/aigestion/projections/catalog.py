"""What is kept for reading: every projection there is."""

from aigestion.projections.activity import activity
from aigestion.projections.conversations import conversations
from aigestion.projections.directory import directory
from aigestion.projections.documents import documents
from aigestion.projections.model_calls import model_calls
from aigestion.projections.passages import passages
from aigestion.projections.projection import Projection
from aigestion.projections.runs import runs
from aigestion.projections.search import search

PROJECTIONS: tuple[Projection, ...] = (
    directory,
    conversations,
    documents,
    runs,
    search,
    activity,
    model_calls,
    passages,
)
