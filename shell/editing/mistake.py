"""Where in the text the mistake is that kept it from being run."""

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments


class MarkMistake(Processor):
    """Marks the character at which a text is wrong, until it is changed; behind the end of a line a space."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The line as it is shown."""
        given = transformation_input
        error = given.buffer_control.buffer.validation_error
        if error is None:
            return Transformation(given.fragments)
        row, column = given.document.translate_index_to_position(min(error.cursor_position, len(given.document.text)))
        if row != given.lineno:
            return Transformation(given.fragments)
        fragments: StyleAndTextTuples = explode_text_fragments(given.fragments)
        at = given.source_to_display(column)
        if at >= len(fragments):
            fragments.append(("", " "))
        look, text, *_ = fragments[at]
        fragments[at] = (f"{look} class:mistake", text)
        return Transformation(fragments)
