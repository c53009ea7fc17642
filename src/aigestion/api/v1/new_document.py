"""A new document, as it comes: JSON, or a text file uploaded as a form, with the same errors."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal

from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from aigestion.api.body import Body, Text, refusal
from aigestion.api.request import ApiRequest
from aigestion.queries.answer import invalid

TITLE_CHARS_MAX = 300
SOURCE_CHARS_MAX = 1_000
TEXT_BYTES_MAX = 5 * 1024 * 1024
BODY_BYTES_MAX = 9 * 1024 * 1024
"""Room for a text of the largest size with JSON's escapes, or a form around it."""
FORM_PARTS_MAX = 10
FILE = "file"
MEDIA_TYPES = {".txt": "text/plain", ".md": "text/markdown", ".markdown": "text/markdown"}


def _small_enough(value: str) -> str:
    if len(value.encode()) > TEXT_BYTES_MAX:
        raise PydanticCustomError(
            "text", "must be at most {limit} bytes of UTF-8", {"limit": TEXT_BYTES_MAX}
        )
    return value


class NewDocument(Body):
    """A text to be cut into passages, found and quoted."""

    title: Annotated[Text, Field(max_length=TITLE_CHARS_MAX)]
    text: Annotated[Text, AfterValidator(_small_enough)]
    media_type: Literal["text/plain", "text/markdown"] = "text/plain"
    source: Annotated[Text, Field(max_length=SOURCE_CHARS_MAX)] | None = Field(
        None,
        description="Where it comes from: a path, a URL. A text from a source that is known already "
        "takes the place of the former one.",
    )


async def read_new_document(request: ApiRequest) -> NewDocument:
    """The document from a JSON body or a form; `InvalidInput` names every bad field."""
    if request.content_type[0] != "multipart/form-data":
        return await request.body_as(NewDocument)
    fields = await _form(request)
    file = fields.pop(FILE, None)
    if not isinstance(file, UploadFile):
        raise invalid(FILE, "must be an uploaded file")
    if "text" in fields:
        raise invalid("text", "is not known beside a file")
    name = PurePath(file.filename)
    media_type = MEDIA_TYPES.get(name.suffix.lower())
    if media_type is None:
        raise HTTPException("Upload a file .txt or .md.", status_code=415)
    try:
        text = (await file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid(FILE, "must be UTF-8") from None
    try:
        return NewDocument.model_validate(
            {"title": name.stem, "media_type": media_type, **fields, "text": text}
        )
    except ValidationError as error:
        raise refusal(error) from None


async def _form(request: ApiRequest) -> dict[str, Any]:
    await request.body()  # within its limits; the form is taken from it
    try:
        return dict(await request.form())
    except (UnicodeDecodeError, LookupError):
        raise invalid("", "The form's fields must be UTF-8") from None


@dataclass
class JsonOrUpload(Operation):
    """Tells OpenAPI of both bodies; the framework knows one a route."""

    def __post_init__(self) -> None:
        json: Any = NewDocument.model_json_schema()
        form: Any = {
            "type": "object",
            "required": [FILE],
            "properties": {
                FILE: {
                    "type": "string",
                    "contentMediaType": "text/plain",
                    "format": "binary",
                    "description": "A UTF-8 file .txt or .md.",
                },
                "title": {"type": "string", "description": "The file's name if not given."},
                "source": json["properties"]["source"],
            },
        }
        self.request_body = RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=json),
                "multipart/form-data": OpenAPIMediaType(schema=form),
            },
        )
