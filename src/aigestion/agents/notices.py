"""What a user is told when a run ends without a reply, in the language they wrote in."""

from aigestion.llm.port import FailureReason
from aigestion.llm.words import Language

_EARLY: dict[str, dict[Language, str]] = {
    "timeout": {
        "en": "The language model took too long to answer. Please ask again.",
        "es": "El modelo de lenguaje tardó demasiado en responder. Vuelve a preguntar, por favor.",
    },
    "rate-limited": {
        "en": "The language model is getting too many questions right now. Please ask again in a minute.",
        "es": "El modelo de lenguaje recibe demasiadas preguntas ahora. Vuelve a preguntar en un minuto.",
    },
    "refused": {
        "en": "The language model declined to answer this.",
        "es": "El modelo de lenguaje se negó a responder a esto.",
    },
    "unknown": {
        "en": "The answer was interrupted by a restart. Please ask again.",
        "es": "Un reinicio interrumpió la respuesta. Vuelve a preguntar, por favor.",
    },
    "context-unavailable": {
        "en": "The documents cannot be searched right now. Please ask again in a minute.",
        "es": "Ahora no se puede buscar en los documentos. Vuelve a preguntar en un minuto.",
    },
    "not-heard": {
        "en": "This agent does not react to messages of this kind.",
        "es": "Este agente no reacciona a mensajes de este tipo.",
    },
    "model-unavailable": {
        "en": "The language model that this agent asks is not set up here.",
        "es": "El modelo de lenguaje que usa este agente no está configurado aquí.",
    },
    "erased": {
        "en": "What this answer would need has been erased.",
        "es": "Lo que esta respuesta necesitaría ha sido borrado.",
    },
}
_NO_USABLE_ANSWER: dict[Language, str] = {
    "en": "The language model could not be reached or gave no usable answer. Please ask again.",
    "es": "El modelo de lenguaje no respondió o no dio una respuesta útil. Vuelve a preguntar, por favor.",
}
_BROKE_OFF: dict[Language, str] = {
    "en": "The answer broke off; what had come of it is kept. Please ask again.",
    "es": "La respuesta se cortó; se conserva lo que había llegado. Vuelve a preguntar, por favor.",
}


def notice(reason: FailureReason | str, language: Language, *, broke_off: bool = False) -> str:
    """The sentence for a reason; `broke_off`: a part of the answer had been shown."""
    if broke_off and reason != "refused":
        return _BROKE_OFF[language]
    return _EARLY.get(reason, _NO_USABLE_ANSWER)[language]
