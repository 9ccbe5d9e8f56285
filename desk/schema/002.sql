-- How many cases stand in each state is read from this index alone.
CREATE INDEX desk_case_count ON desk_case (open, state, sealed, id);
