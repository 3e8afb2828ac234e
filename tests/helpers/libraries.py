"""A frame of pandas in each library whose frames are read: for tests of one as of the other."""


def polars(frame):
    """Return a frame of polars; missing values are null."""
    from polars import DataFrame

    return DataFrame({name: frame[name].to_list() for name in frame}, nan_to_null=True)


LIBRARIES = {'pandas': lambda frame: frame, 'polars': polars}
