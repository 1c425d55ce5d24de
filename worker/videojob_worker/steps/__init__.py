"""One file for each kind of step: what it adds to a pass, what must exist afterwards, how it is finished."""
