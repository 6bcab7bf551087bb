"""What the panel's sections have in common."""

from __future__ import annotations

from LNGenPanel.parameters import LNGenParameterNode


class Section:
    """Binds the widgets of one section to `parameters`, the scene's choices: None where there is no
    scene to choose in. What else it uses, it is given."""

    parameters: LNGenParameterNode | None = None

    def bind(self, parameters: LNGenParameterNode | None) -> None:
        """Follow these choices."""
        self.parameters = parameters

    def update(self) -> None:
        """Show what the choices are, and what may be done now."""
