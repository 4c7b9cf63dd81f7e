"""The hosted APIs that make the clips, behind one port (`base.Provider`)."""
