"""Why BatchBALD is level with random on repeated digits, where its paper has it far ahead: one factor at a time."""
