"""Whether a trained agent may take the place of the champion."""
